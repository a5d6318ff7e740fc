// Placeholder by the lead until the real one lands; overwrite freely.
export interface Shadow {
  readonly ratio: number;
}
export function createShadow(options: { ratio: number; [more: string]: unknown }): Shadow | undefined {
  return options.ratio > 0 ? { ratio: options.ratio } : undefined;
}
