/** What a screen reader is told of a change of the transcript: whole replies and failures, never the tokens of a reply. */
import type { TranscriptItem } from '../../src/http/wire.ts'

/** Longest part of a reply that is read out; the rest is there to be read in the log. */
const LONGEST = 300

/** The sentences for what ended between two states of one transcript, in its order. */
export function sentencesOf(before: readonly TranscriptItem[], now: readonly TranscriptItem[]): string[] {
  const earlier = new Map(before.map((item) => [item.id, item]))
  return now.flatMap((item) => sentenceOf(earlier.get(item.id), item) ?? [])
}

function sentenceOf(was: TranscriptItem | undefined, item: TranscriptItem): string | undefined {
  if (was === item) return undefined
  if (item.kind === 'reply') {
    const isNew = was?.kind !== 'reply' || was.streaming
    return isNew && !item.streaming ? `Reply: ${shortened(item.text)}` : undefined
  }
  const fails = item.kind === 'message' && item.state === 'failed' && was?.kind === 'message' && was.state !== 'failed'
  if (!fails) return undefined
  return item.error ? `No answer: ${item.error}` : 'No answer: the turn failed.'
}

function shortened(text: string): string {
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}, and more` : text
}
