/** The Hub's first commit. We keep every file the same way, but clients that read it expect it. */
const PATTERNS =
  "7z arrow bin bz2 ckpt ftz gz h5 joblib mlmodel model msgpack npy npz onnx ot parquet pb pickle pkl pt pth rar safetensors tar tflite tgz wasm xz zip zst gguf";

export const GIT_ATTRIBUTES = PATTERNS.split(" ")
  .map((ending) => `*.${ending} filter=lfs diff=lfs merge=lfs -text\n`)
  .join("");
