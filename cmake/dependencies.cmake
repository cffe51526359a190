# What we stand on, from Debian 12 and, for libraft, its backports; docs/decisions/ says why each. tools/packages installs them.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(LIBUV REQUIRED IMPORTED_TARGET libuv>=1.44)
find_package(msgpack REQUIRED) # msgpack-c 4
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(CRYPTO REQUIRED IMPORTED_TARGET libcrypto>=3.0) # OpenSSL
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
find_path(ROCKSDB_INCLUDE rocksdb/c.h REQUIRED)
find_library(ROCKSDB_LIBRARY rocksdb REQUIRED)
find_path(ISAL_INCLUDE isa-l/crc.h REQUIRED)
find_library(ISAL_LIBRARY isal REQUIRED)

# libraft, the archive: the package then installs where no backports are (docs/decisions/0011-libraft-by-steps.md).
find_path(RAFT_INCLUDE raft.h)
find_library(RAFT_LIBRARY libraft.a)
set(raft_version 0.0)
if(RAFT_INCLUDE)
  file(STRINGS ${RAFT_INCLUDE}/raft.h raft_numbers REGEX "^#define RAFT_VERSION_(MAJOR|MINOR) [0-9]+")
  string(REGEX REPLACE "[^;]*MAJOR ([0-9]+);[^;]*MINOR ([0-9]+)" "\\1.\\2" raft_version "${raft_numbers}")
endif()
if(NOT RAFT_LIBRARY OR NOT raft_version MATCHES "^[0-9]+\\.[0-9]+$" OR raft_version VERSION_LESS 0.22)
  message(FATAL_ERROR "perdure: libraft-dev 0.22 or newer is needed (raft.h and libraft.a); here is ${raft_version}, 0.0 \
being none. Debian 12's own 0.15 is refused: it counts replicas of older terms as commits, and diverges when a disk is \
full. bookworm-backports has 0.22.1: tools/packages installs it (docs/decisions/0011-libraft-by-steps.md)")
endif()
add_library(perdure_raft STATIC IMPORTED)
set_target_properties(perdure_raft PROPERTIES IMPORTED_LOCATION ${RAFT_LIBRARY}
  INTERFACE_INCLUDE_DIRECTORIES ${RAFT_INCLUDE})
