# Lints, as tests: include(lint) where tests are added. Each is a script that one can run by hand as well.
#   lint.layers    who includes whom: cmake/layers.txt
#   lint.headers   every header compiles alone; the public ones as strict C11 and as C++
#   lint.seams     what the simulator runs asks for time, chance, threads, files and network through the seams
#   lint.format    .clang-format
#   lint.self      the first and the third find what they are there to find
function(pdr_lint name)
  add_test(NAME lint.${name} COMMAND ${ARGN} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(lint.${name} PROPERTIES TIMEOUT 120 LABELS lint)
endfunction()

pdr_lint(layers ${CMAKE_SOURCE_DIR}/cmake/check_layers.sh)
pdr_lint(headers ${CMAKE_COMMAND} -D CC=${CMAKE_C_COMPILER} -P ${CMAKE_SOURCE_DIR}/cmake/check_headers.cmake)
pdr_lint(seams ${CMAKE_SOURCE_DIR}/cmake/check_seams.sh)
pdr_lint(format ${CMAKE_SOURCE_DIR}/cmake/check_format.sh)
pdr_lint(self ${CMAKE_SOURCE_DIR}/cmake/test_lints.sh)
