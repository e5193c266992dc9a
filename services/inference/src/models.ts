import { Digest, Manifest, type Hex } from '@haca/core'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** A model on this node's disk, checked against its manifest. */
export interface LocalModel extends Manifest.Identified {
  /** Path of the ONNX file. */
  weights: string
}

/** Reads models from their folders. A file that is not what its manifest says is refused: the node would sign for another model. */
export async function loadModels(directory: string, names: readonly string[]): Promise<Map<Hex.Hex, LocalModel>> {
  const models = new Map<Hex.Hex, LocalModel>()
  for (const name of names) {
    const folder = join(directory, name)
    const identified = Manifest.read(await readFile(join(folder, 'manifest.json')))
    for (const file of identified.manifest.files) {
      const bytes = await readFile(join(folder, file.path))
      if (bytes.length !== file.bytes || Digest.content(bytes) !== `0x${file.sha256}`) throw new Error(`${join(folder, file.path)} is not the file its manifest names`)
    }
    const weights = identified.manifest.files.find((file) => file.role === 'weights')
    if (!weights) throw new Error(`${name} has no file with the role "weights"`)
    models.set(identified.modelHash, { ...identified, weights: join(folder, weights.path) })
  }
  return models
}
