# PDR_SANITIZE="address;undefined" or "thread": for every target alike.
if(PDR_SANITIZE)
  list(JOIN PDR_SANITIZE "," pdr_sanitize)
  add_compile_options(-fsanitize=${pdr_sanitize} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${pdr_sanitize})
endif()
# libFuzzer is led by what the code under test does, so all of it is instrumented.
if(PDR_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
