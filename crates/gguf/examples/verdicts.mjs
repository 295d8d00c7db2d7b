// What becomes of every class of forged files on wasm32: prints what the native example prints.
// Does not know a class: the module names them. Usage: node verdicts.mjs verdicts.wasm
import { readFile } from 'node:fs/promises';

const { instance } = await WebAssembly.instantiate(await readFile(process.argv[2]), {});
const { class_count, class_name, class_name_bytes, class_digest, memory } = instance.exports;
for (let index = 0; index < class_count(); index += 1) {
  const digest = BigInt.asUintN(64, class_digest(index)).toString(16).padStart(16, '0');
  const name = Buffer.from(memory.buffer, class_name(index), class_name_bytes(index)).toString();
  console.log(`${name} ${digest}`);
}
