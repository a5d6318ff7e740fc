/** What scripts may rely on; from 64 on they are those of sysexits.h. */
export const exitCodes = {
  ok: 0,
  /** The command ran, and what it looked at is not right: findings, failed rows, failed orders. */
  failed: 1,
  usage: 2,
  /** The input file is malformed. */
  badData: 65,
  /** The input file cannot be read. */
  noInput: 66,
  /** The shop, or its folder, cannot be reached now; trying again may help. */
  unavailable: 69,
  /** The file or folder that was to be made cannot be, or is there already. */
  cannotCreate: 73,
  /** The shop refuses the credentials. */
  noPermission: 77,
  config: 78,
} as const;

export const exitCodeHelp = `
Exit codes: 0 done; 1 findings, failed rows or failed orders; 2 wrong usage; 65 malformed input file;
66 unreadable input file; 69 the shop or its folder cannot be reached; 73 output cannot be made, or is there; 77 credentials refused; 78 wrong configuration.`;

/** Ends the command with a code and a sentence for people, without a stack. */
export class CommandError extends Error {
  readonly exitCode: number;

  constructor(exitCode: number, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'CommandError';
    this.exitCode = exitCode;
  }
}
