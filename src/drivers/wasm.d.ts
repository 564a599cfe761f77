/** WebAssembly that the build of the Worker compiles. */
declare module '*.wasm' {
  const module: WebAssembly.Module
  export default module
}
