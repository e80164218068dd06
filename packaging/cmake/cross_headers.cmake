# The headers of libraries that have nothing else, beside each other in a folder of their own. /usr/include counts as known
# to the compiler, so that no target's interface puts it on a command line.
foreach(library IN ITEMS catch2 CLI nlohmann protozero toml++)
  if(EXISTS /usr/include/${library})
    file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/headers)
    file(CREATE_LINK /usr/include/${library} ${CMAKE_BINARY_DIR}/headers/${library} SYMBOLIC)
  endif()
endforeach()
include_directories(SYSTEM ${CMAKE_BINARY_DIR}/headers)
list(APPEND CMAKE_CXX_IMPLICIT_INCLUDE_DIRECTORIES /usr/include)
list(APPEND CMAKE_C_IMPLICIT_INCLUDE_DIRECTORIES /usr/include)
