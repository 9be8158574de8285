# Flags of the WebAssembly builds, each with its reason. CMakeLists.txt includes this for the presets `wasm` and `wasm-test`.

# Every browser that has module workers and OPFS has 128-bit vectors; libsodium's Argon2 and Ed25519 gain from them.
set(PERDURE_WASM_COMPILE -msimd128)

# ---- wasm: what ships -----------------------------------------------------------------------------------------------
set(PERDURE_RELEASE_COMPILE
  # 580 KB instead of 770, and less than a tenth slower than -O3 (npm run bench, npm run size). libsodium, where most of the time
  # goes, stays at -O3.
  -Os
  # Nothing asks for types at run time; names of lambdas would be 26 KB of the module. Embind then has to be told so.
  -fno-rtti
  -DEMSCRIPTEN_HAS_UNBOUND_TYPE_NAMES=0
  # The boundary, the core and the C++ library are optimized as one.
  -flto
  # The core does not throw. msgpack's headers contain `throw`, so they do not compile under -fno-exceptions; this
  # compiles them and leaves out all unwinding.
  -fignore-exceptions)

# What runs once a link or once a call, and not for every batch or op: as small as can be.
set(PERDURE_COLD_COMPILE -Oz)

set(PERDURE_RELEASE_LINK
  -Os
  -fno-rtti
  -flto
  -fignore-exceptions
  -lembind
  # The glue is a module that a page or a worker instantiates when it wants to, as often as it wants to.
  -sMODULARIZE=1
  -sEXPORT_ES6=1
  -sEXPORT_NAME=createPerdure
  # Where `new URL("perdure.wasm", import.meta.url)` does not lead: the shim hands in bytes, a module or an address.
  -sINCOMING_MODULE_JS_API=wasmBinary,instantiateWasm,locateFile,print,printErr,onAbort
  # A Node build contains import("module"), on which bundlers stumble. Node runs this one too when it is given the bytes.
  -sENVIRONMENT=web,worker
  # 64-bit numbers cross the boundary as BigInt.
  -sWASM_BIGINT=1
  # A page whose content security policy lacks 'unsafe-eval' runs it.
  -sDYNAMIC_EXECUTION=0
  # A topic of a million messages needs more than a small one.
  -sALLOW_MEMORY_GROWTH=1
  # The core does no input or output: rows leave through the outbox.
  -sFILESYSTEM=0
  # Argon2 works in the heap; nothing recurses deeply; buffers of 64 KiB may stand on the stack.
  -sSTACK_SIZE=262144
  # There is no main: the module lives until the page drops it.
  --no-entry
  # Half of the glue's size.
  --closure=1)

# Types for the shim's only file that knows Emscripten.
set(PERDURE_RELEASE_TYPES --emit-tsd perdure.d.mts)

# ---- wasm-test: units, simulator and replay under Node --------------------------------------------------------------
set(PERDURE_TEST_COMPILE
  # The simulator and the replay run for minutes: their code is optimized.
  -O2
  # Catch2 throws to leave a failed test. Node 20 runs the first form of wasm exceptions, not yet the one with exnref.
  -fwasm-exceptions)

set(PERDURE_TEST_LINK
  # At -O2 a link runs binaryen over Catch2 for many seconds, and gains little.
  -O1
  -fwasm-exceptions
  -sENVIRONMENT=node
  # A test program ends: its exit code is the verdict, and what it printed is flushed.
  -sEXIT_RUNTIME=1
  # Tests read vectors and recorded runs from files.
  -sNODERAWFS=1
  -sALLOW_MEMORY_GROWTH=1
  # Fills the memory of a whole simulated network.
  -sMAXIMUM_MEMORY=4GB
  -sSTACK_SIZE=1MB)
