# Read by cpack for each generator: an archive needs no component packages of its own.
if(CPACK_GENERATOR STREQUAL "TGZ")
  set(CPACK_ARCHIVE_COMPONENT_INSTALL OFF)
endif()
