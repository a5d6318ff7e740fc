import type { Finding } from './audit.ts';

/** More findings than anybody reads; bounds the memory of an audit of a badly broken shop. */
const FINDINGS = 10_000;

/**
 * What is found by every look; the last look's words tell it. `again` waits before the next look and says whether
 * there is one. A finding is known again by its invariant and subject alone: on a shop that trades, the figures of
 * what is broken move from look to look.
 */
export async function lastingFindings(
  look: () => AsyncIterable<Finding>,
  again: () => Promise<boolean>,
): Promise<Finding[]> {
  let broken = await collect(look());
  while (broken.length > 0 && (await again())) {
    const before = new Set(broken.map(identityOf));
    broken = (await collect(look())).filter((finding) => before.has(identityOf(finding)));
  }
  return broken;
}

function identityOf({ invariant, subject }: Finding): string {
  return `${invariant} ${subject}`;
}

async function collect(findings: AsyncIterable<Finding>): Promise<Finding[]> {
  const found: Finding[] = [];
  for await (const finding of findings) {
    found.push(finding);
    if (found.length >= FINDINGS) break;
  }
  return found;
}
