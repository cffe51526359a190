# cmake/check_headers.cmake: every header compiles alone, and twice in one file; the public ones also as strict C11
# without extensions, and as C++.
#
#   cmake [-D CC=gcc] [-D CXX=g++] -P cmake/check_headers.cmake     from anywhere
get_filename_component(root ${CMAKE_CURRENT_LIST_DIR} DIRECTORY)
if(NOT CC)
  set(CC cc)
endif()
if(NOT CXX)
  find_program(CXX NAMES c++ g++ clang++ clang++-14)
endif()
if(NOT CXX)
  message(FATAL_ERROR "no C++ compiler to hold the public headers to: `tools/packages test` installs one (clang-14)")
endif()

# perdure/version.h is made when the build is configured.
file(STRINGS ${root}/CMakeLists.txt PROJECT_VERSION REGEX "^project\\(perdure VERSION ")
string(REGEX REPLACE "^project\\(perdure VERSION ([0-9.]+).*" "\\1" PROJECT_VERSION "${PROJECT_VERSION}")
string(REGEX MATCH "^([0-9]+)\\.([0-9]+)\\.([0-9]+)$" matched "${PROJECT_VERSION}")
set(PROJECT_VERSION_MAJOR ${CMAKE_MATCH_1})
set(PROJECT_VERSION_MINOR ${CMAKE_MATCH_2})
set(PROJECT_VERSION_PATCH ${CMAKE_MATCH_3})
if(DEFINED ENV{TMPDIR})
  set(scratch $ENV{TMPDIR})
else()
  set(scratch /tmp)
endif()
string(RANDOM LENGTH 12 name)
set(scratch ${scratch}/perdure-headers-${name})
configure_file(${root}/include/perdure/version.h.in ${scratch}/perdure/version.h @ONLY)

file(WRITE ${scratch}/empty.h "extern int nothing;\n") # strict C wants something in a file

set(includes -I${root}/include -I${scratch} -I${root})
set(warnings -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wno-unused-parameter
    -Wno-unused-function -Werror)
set(faults 0)
set(checks 0)

# Compiles a file that includes the header, twice, and nothing else.
function(check_header header how)
  execute_process(COMMAND ${ARGN} -fsyntax-only ${includes} -include ${header} -include ${header}
    ${scratch}/empty.h
    WORKING_DIRECTORY ${root} RESULT_VARIABLE result ERROR_VARIABLE output OUTPUT_QUIET)
  math(EXPR count "${checks} + 1")
  set(checks ${count} PARENT_SCOPE)
  if(NOT result EQUAL 0)
    message("${header}: does not compile alone (${how}); let it include what it uses\n${output}")
    math(EXPR count "${faults} + 1")
    set(faults ${count} PARENT_SCOPE)
  endif()
endfunction()

foreach(folder include core consensus actors net tools examples docs tests)
  file(GLOB_RECURSE headers RELATIVE ${root} ${root}/${folder}/*.h)
  list(SORT headers)
  foreach(header ${headers})
    if(folder STREQUAL "include")
      string(REPLACE "include/" "" header ${header})
      check_header(${header} "C11" ${CC} -std=c11 -pedantic ${warnings} -x c)
      check_header(${header} "C++11" ${CXX} -std=c++11 -pedantic -Wall -Wextra -Wno-unused-parameter -Werror -x c++)
    else()
      check_header(${header} "C" ${CC} -std=gnu11 -D_GNU_SOURCE ${warnings} -x c)
    endif()
  endforeach()
endforeach()
file(REMOVE_RECURSE ${scratch})

if(faults GREATER 0)
  message(FATAL_ERROR "${faults} of ${checks} checks failed")
endif()
message("${checks} checks: every header compiles alone")
