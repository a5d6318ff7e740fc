/** Loads the modules when a command comes to need them, so that help and wrong usage are answered at once. */
export async function loadShop(): Promise<typeof import('../compose.ts')> {
  return await import('../compose.ts');
}
