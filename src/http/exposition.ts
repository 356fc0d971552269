/**
 * Metrics as text for whoever scrapes them. Source of the format: Prometheus, "Exposition formats", text-based format 0.0.4,
 * https://prometheus.io/docs/instrumenting/exposition_formats/.
 */
import type { Histogram } from '../execution/index.ts'

export const EXPOSITION = 'text/plain; version=0.0.4; charset=utf-8'

export type Labels = Readonly<Record<string, string | number>>
export type Sample = readonly [labels: Labels, value: number | bigint]

export class Exposition {
  #text = ''

  counter(name: string, help: string, samples: readonly Sample[]): void {
    this.#family(name, 'counter', help, samples)
  }

  gauge(name: string, help: string, samples: readonly Sample[]): void {
    this.#family(name, 'gauge', help, samples)
  }

  histogram(name: string, help: string, samples: readonly (readonly [Labels, Histogram])[]): void {
    if (samples.length > 0) this.#head(name, 'histogram', help)
    for (const [labels, histogram] of samples) {
      const { bounds, count, sum } = histogram
      const counts = [...histogram.cumulative(), count]
      for (const [i, le] of [...bounds, '+Inf'].entries())
        this.#line(`${name}_bucket`, { ...labels, le }, counts[i] ?? 0)
      this.#line(`${name}_sum`, labels, sum)
      this.#line(`${name}_count`, labels, count)
    }
  }

  toString(): string {
    return this.#text
  }

  #family(name: string, type: string, help: string, samples: readonly Sample[]): void {
    if (samples.length > 0) this.#head(name, type, help)
    for (const [labels, value] of samples) this.#line(name, labels, value)
  }

  #head(name: string, type: string, help: string): void {
    this.#text += `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`
  }

  #line(name: string, labels: Labels, value: number | bigint): void {
    const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escaped(String(text))}"`)
    this.#text += `${name}${pairs.length > 0 ? `{${pairs.join(',')}}` : ''} ${value}\n`
  }
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
