# The native driver: in this tree's own build; and in that of another commit, where CMAKE_PROJECT_INCLUDE names this file (against.mjs).
# There it is made last, when that commit's flags and libraries stand.
set(perdure_drive_test "${CMAKE_CURRENT_LIST_DIR}/..")
function(perdure_drive_program name)
  add_executable(${name} "${perdure_drive_test}/bench/drive.cpp")
  target_include_directories(${name} PRIVATE "${perdure_drive_test}")
  target_link_libraries(${name} PRIVATE perdure_core)
  target_compile_options(${name} PRIVATE -Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread)
  # What another commit's public headers warn of is not this tree's.
  target_compile_options(${name} PRIVATE -Wno-error)
endfunction()

if(CMAKE_PROJECT_INCLUDE)
  cmake_language(DEFER CALL perdure_drive_program perdure_drive_beside)
else()
  perdure_drive_program(perdure_drive)
endif()
