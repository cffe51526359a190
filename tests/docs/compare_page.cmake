# cmake -D PROGRAM= -D PAGE= -D FILE= -P compare_page.cmake: FILE is what `PROGRAM PAGE` prints.
execute_process(COMMAND ${PROGRAM} ${PAGE} OUTPUT_VARIABLE printed RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "${PROGRAM} ${PAGE} failed: ${result}")
endif()
file(READ ${FILE} written)
if(NOT printed STREQUAL written)
  message(FATAL_ERROR "${FILE} is not what the tables say; write it anew: cmake --build BUILD --target reference")
endif()
