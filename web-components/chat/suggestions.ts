/** What one could type first, as the page says it: JSON that may hold anything. */

export interface Suggestion {
  text: string
  description?: string
}

/** Reads a JSON array of strings or of `{text, description}`; what is neither is passed over. */
export function parseSuggestions(value: string | null): readonly Suggestion[] {
  try {
    const parsed: unknown = JSON.parse(value ?? '[]')
    return Array.isArray(parsed) ? parsed.flatMap(toSuggestion) : []
  } catch {
    return []
  }
}

function toSuggestion(value: unknown): Suggestion[] {
  if (typeof value === 'string') return [{ text: value }]
  if (typeof value !== 'object' || value === null || !('text' in value) || typeof value.text !== 'string') return []
  const described = 'description' in value && typeof value.description === 'string'
  return [{ text: value.text, ...(described ? { description: String(value.description) } : {}) }]
}
