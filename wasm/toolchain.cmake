# CMake's view of Emscripten: the toolchain file that comes with it, from wherever wasm/setup.sh put it.
get_filename_component(PERDURE_EMSCRIPTEN "${CMAKE_CURRENT_LIST_DIR}/../build/toolchain/emscripten" REALPATH)
if(NOT EXISTS "${PERDURE_EMSCRIPTEN}/cmake/Modules/Platform/Emscripten.cmake")
  message(FATAL_ERROR "Emscripten is not there yet: run wasm/setup.sh first.")
endif()
include("${PERDURE_EMSCRIPTEN}/cmake/Modules/Platform/Emscripten.cmake")
