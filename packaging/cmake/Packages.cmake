# What cpack makes: a DEB and an RPM for the tool and one for libruntime's headers and archives, and a TGZ of both.
#
#   cpack -G "DEB;RPM;TGZ" --config build/release/CPackConfig.cmake
set(CPACK_PACKAGE_NAME netpoll-trace)
set(CPACK_PACKAGE_VENDOR "netpoll-trace")
# Whoever makes packages is who they are from, as dch(1) takes it too. Nobody reads mail at .invalid (RFC 2606).
set(contact "netpoll-trace <netpoll-trace@netpoll-trace.invalid>")
if(DEFINED ENV{DEBEMAIL} AND DEFINED ENV{DEBFULLNAME})
  set(contact "$ENV{DEBFULLNAME} <$ENV{DEBEMAIL}>")
endif()
set(CPACK_PACKAGE_CONTACT "${contact}" CACHE STRING "Who makes the packages: Name <address>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "diagnostics and tracing of network pollers")
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_GENERATOR DEB TGZ)
set(CPACK_COMPONENTS_ALL cli dev)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_COMPONENT_CLI_DESCRIPTION
    "Counts, times and traces what programs do to their network pollers:
epoll_wait, epoll_ctl and the calls around them. Reads the goroutines of
running libruntime and Go programs, compares results and gates a CI with
them, and shows figures to Prometheus.")
set(CPACK_COMPONENT_DEV_DESCRIPTION
    "Headers and archives of libruntime, a runtime of goroutines in C++ whose
poller can be watched, for programs that are built with
find_package(netpoll) or pkg-config.")

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_CLI_PACKAGE_NAME netpoll-trace)
set(CPACK_DEBIAN_CLI_PACKAGE_SECTION net)
set(CPACK_DEBIAN_CLI_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_CLI_DESCRIPTION "${CPACK_COMPONENT_CLI_DESCRIPTION}")
set(CPACK_DEBIAN_DEV_PACKAGE_NAME libnetpoll-dev)
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS "libdw-dev, zlib1g-dev")
set(CPACK_DEBIAN_DEV_DESCRIPTION "${CPACK_COMPONENT_DEV_DESCRIPTION}")

set(CPACK_RPM_COMPONENT_INSTALL ON)
set(CPACK_RPM_FILE_NAME RPM-DEFAULT)
set(CPACK_RPM_PACKAGE_LICENSE "Apache-2.0 AND (GPL-2.0-only OR BSD-2-Clause)")
set(CPACK_RPM_CLI_PACKAGE_NAME netpoll-trace)
set(CPACK_RPM_CLI_PACKAGE_GROUP "Development/Debuggers")
set(CPACK_RPM_DEV_PACKAGE_NAME netpoll-devel)
set(CPACK_RPM_DEV_PACKAGE_GROUP "Development/Libraries")
set(CPACK_RPM_SPEC_MORE_DEFINE "%define _build_id_links none")
# Folders of others.
set(CPACK_RPM_EXCLUDE_FROM_AUTO_FILELIST_ADDITION
    /usr/lib/systemd /usr/lib/systemd/system /usr/lib/cmake /usr/lib/pkgconfig /usr/lib64/cmake /usr/lib64/pkgconfig
    /usr/share/man /usr/share/man/man1 /usr/share/man/man7 /usr/share/bash-completion
    /usr/share/bash-completion/completions /usr/share/zsh /usr/share/zsh/vendor-completions /usr/share/fish
    /usr/share/fish/vendor_completions.d)

# Compresses and completes what is about to be packed; only distributions want that, not `cmake --install`.
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_LIST_DIR}/prepare_package.cmake)
set(CPACK_PROJECT_CONFIG_FILE ${CMAKE_CURRENT_LIST_DIR}/package_config.cmake)
set(CPACK_NETPOLL_DEBIAN ${PROJECT_SOURCE_DIR}/packaging/debian)
include(CPack)
