/** A variable of `.env`, or what stands in for it. */
export function optional(name: string, fallback = ''): string {
  return `\${${name}:-${fallback}}`;
}

/** A variable without which Compose starts nothing, and says what is missing. */
export function needed(name: string, what = ''): string {
  return `\${${name}:?set it in .env${what && `, ${what}`}}`;
}
