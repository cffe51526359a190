# Warnings are errors in our code; a compiler that knows more of them can be told not to mind with PDR_WERROR=OFF.
option(PDR_WERROR "Warnings are errors" ON)
add_compile_options(-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla
                    -Wimplicit-fallthrough -Wno-unused-parameter -fno-strict-aliasing -fno-common)
if(PDR_WERROR)
  add_compile_options(-Werror)
endif()
