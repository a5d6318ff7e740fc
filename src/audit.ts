/** One broken invariant: which, on what, and the figures that show it. */
export interface Finding {
  readonly invariant: 'I1' | 'I2' | 'I4' | 'I5' | 'I6';
  /** What breaks it, as `variant 0192… (sku 85123A)`. */
  readonly subject: string;
  /** What was found, against what should hold. */
  readonly detail: string;
}

/** Looks a whole module over and yields what is wrong. Reads in batches; never loads a table at once. */
export type AuditCheck = () => AsyncIterable<Finding>;
