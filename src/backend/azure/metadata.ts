/** Names of metadata must be C# identifiers on Azure, so stowage's own carry `_` in place of `-`; all others stay as they are. */
export const toAzure = (metadata: Record<string, string>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(metadata).map(([name, value]) => [
      name.startsWith("stowage-") ? name.replaceAll("-", "_") : name,
      value,
    ]),
  );

/** What a blob carries, as it was given to `toAzure`; names in lower case. */
export const fromAzure = (metadata: Record<string, string> | undefined): Record<string, string> =>
  Object.fromEntries(
    Object.entries(metadata ?? {}).map(([written, value]) => {
      const name = written.toLowerCase();
      return [name.startsWith("stowage_") ? name.replaceAll("_", "-") : name, value];
    }),
  );
