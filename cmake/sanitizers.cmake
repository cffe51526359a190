# PDR_SANITIZE="address;undefined" or "thread": for every target alike.
if(PDR_SANITIZE)
  list(JOIN PDR_SANITIZE "," pdr_sanitize)
  add_compile_options(-fsanitize=${pdr_sanitize} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${pdr_sanitize})
endif()
# Before the libraries of every program, those of other folders and of tests too: so it is made here, without a target.
if(PDR_SANITIZE STREQUAL "thread")
  set(pdr_syscall ${CMAKE_BINARY_DIR}/tsan_syscall.o)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/cmake/tsan_syscall.c)
  execute_process(COMMAND ${CMAKE_C_COMPILER} -std=gnu11 -O1 -g -fPIC -c ${CMAKE_SOURCE_DIR}/cmake/tsan_syscall.c -o ${pdr_syscall}
                  COMMAND_ERROR_IS_FATAL ANY)
  string(APPEND CMAKE_EXE_LINKER_FLAGS " ${pdr_syscall}")
endif()
# libFuzzer is led by what the code under test does, so all of it is instrumented.
if(PDR_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
