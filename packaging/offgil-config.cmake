# offgil for CMake: find_package(offgil), then target_link_libraries(program offgil::offgil).
#
#   offgil::shared, offgil::static   the library of that kind, if it is installed
#   offgil::offgil                   the shared one if there is one, else the static one

# This file is in <prefix>/share/cmake/offgil, wherever the prefix has been moved to.
get_filename_component(_offgil_prefix "${CMAKE_CURRENT_LIST_FILE}" REALPATH)
get_filename_component(_offgil_prefix "${_offgil_prefix}/../../../.." ABSOLUTE)

# `make install` writes these two as it was told.
set(_offgil_libdirs "${_offgil_prefix}/lib" "${_offgil_prefix}/lib/${CMAKE_LIBRARY_ARCHITECTURE}" "${_offgil_prefix}/lib64")
set(_offgil_includedir "${_offgil_prefix}/include")

foreach(_offgil_libdir IN LISTS _offgil_libdirs)
  if(EXISTS "${_offgil_libdir}/liboffgil.so" AND NOT TARGET offgil::shared)
    add_library(offgil::shared SHARED IMPORTED)
    set_target_properties(offgil::shared PROPERTIES
      IMPORTED_LOCATION "${_offgil_libdir}/liboffgil.so"
      INTERFACE_INCLUDE_DIRECTORIES "${_offgil_includedir}")
  endif()
  if(EXISTS "${_offgil_libdir}/liboffgil.a" AND NOT TARGET offgil::static)
    add_library(offgil::static STATIC IMPORTED)
    set_target_properties(offgil::static PROPERTIES
      IMPORTED_LOCATION "${_offgil_libdir}/liboffgil.a"
      IMPORTED_LINK_INTERFACE_LANGUAGES C
      INTERFACE_LINK_LIBRARIES "-lutil;-lrt;-lpthread;-lm;-ldl"
      INTERFACE_INCLUDE_DIRECTORIES "${_offgil_includedir}")
  endif()
endforeach()

if(NOT TARGET offgil::offgil)
  foreach(_offgil_kind IN ITEMS shared static)
    if(TARGET offgil::${_offgil_kind} AND NOT TARGET offgil::offgil)
      add_library(offgil::offgil INTERFACE IMPORTED)
      set_target_properties(offgil::offgil PROPERTIES INTERFACE_LINK_LIBRARIES offgil::${_offgil_kind})
    endif()
  endforeach()
endif()

foreach(_offgil_kind IN LISTS offgil_FIND_COMPONENTS)
  if(NOT TARGET offgil::${_offgil_kind} AND offgil_FIND_REQUIRED_${_offgil_kind})
    set(offgil_FOUND FALSE)
    set(offgil_NOT_FOUND_MESSAGE "offgil::${_offgil_kind} is not installed in ${_offgil_prefix}")
  endif()
endforeach()
if(NOT TARGET offgil::offgil)
  set(offgil_FOUND FALSE)
  set(offgil_NOT_FOUND_MESSAGE "no liboffgil is installed in ${_offgil_libdirs}")
endif()

unset(_offgil_kind)
unset(_offgil_libdir)
unset(_offgil_libdirs)
unset(_offgil_includedir)
unset(_offgil_prefix)
