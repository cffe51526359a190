# What Debian wants of a package beyond what `cmake --install` leaves: run by CPack when the tree is put together.
set(tree ${CPACK_TEMPORARY_INSTALL_DIRECTORY})
set(doc ${tree}/usr/share/doc/perdure)
set(here ${CMAKE_CURRENT_LIST_DIR})

# A setting that people edit; what it is by default stays in /usr/share/perdure.
file(MAKE_DIRECTORY ${tree}/etc/default)
configure_file(${here}/../perdure.default ${tree}/etc/default/perdure COPYONLY)

configure_file(${here}/copyright ${doc}/copyright COPYONLY)
file(REMOVE ${doc}/LICENSE) # /usr/share/common-licenses has it
configure_file(${here}/changelog.in ${doc}/changelog @ONLY)
configure_file(${here}/lintian-overrides ${tree}/usr/share/lintian/overrides/perdure COPYONLY)
file(GLOB manuals ${tree}/usr/share/man/man1/*.1)
execute_process(COMMAND gzip -9nf ${doc}/changelog ${manuals} COMMAND_ERROR_IS_FATAL ANY)
file(GLOB archives ${tree}/usr/lib/*/*.a ${tree}/usr/lib/*.a)
foreach(archive ${archives})
  execute_process(COMMAND strip --strip-debug --enable-deterministic-archives ${archive} COMMAND_ERROR_IS_FATAL ANY)
endforeach()
