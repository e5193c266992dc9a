import type { Fleet, Hex, Manifest } from '@haca/core'

/** A model with its manifest, as the registry and the object store have it. */
export interface CatalogModel extends Fleet.RegisteredModel {
  manifest: Manifest.Manifest
  /** Trust label of the circuit's set-up: `dev` or `ceremony(n, beacon)`. */
  setup?: string
}

/** What is registered. */
export interface Catalog {
  /** By name, name@version or 0x-digest; a bare name means its newest version that is not retired. */
  find(reference: string): CatalogModel | undefined
  byHash(modelHash: Hex.Hex): CatalogModel | undefined
  all(): CatalogModel[]
  /** Whether the registry was read at least once. */
  ready(): boolean
}

/** Who lives. */
export interface FleetView {
  nodes(): Fleet.Node[]
}
