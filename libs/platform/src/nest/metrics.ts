import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client'

/** The process' metrics, in the registry that `/metrics` shows. Labels are few and closed; ids belong in logs. */
export const metrics = {
  registry: new Registry(),
  counter<L extends string>(name: string, help: string, labelNames: readonly L[] = []): Counter<L> {
    return (metrics.registry.getSingleMetric(name) as Counter<L> | undefined) ?? new Counter({ name, help, labelNames: [...labelNames], registers: [metrics.registry] })
  },
  gauge<L extends string>(name: string, help: string, labelNames: readonly L[] = []): Gauge<L> {
    return (metrics.registry.getSingleMetric(name) as Gauge<L> | undefined) ?? new Gauge({ name, help, labelNames: [...labelNames], registers: [metrics.registry] })
  },
  histogram<L extends string>(name: string, help: string, buckets: readonly number[], labelNames: readonly L[] = []): Histogram<L> {
    return (
      (metrics.registry.getSingleMetric(name) as Histogram<L> | undefined) ??
      new Histogram({ name, help, buckets: [...buckets], labelNames: [...labelNames], registers: [metrics.registry] })
    )
  },
  /** Adds the process' own figures (CPU, memory, event loop); once per process. */
  collectProcess(): void {
    if (!metrics.registry.getSingleMetric('process_cpu_seconds_total')) collectDefaultMetrics({ register: metrics.registry })
  },
}

export type Metrics = typeof metrics
