import fc from "fast-check";

/** What every location of a random world has. */
export const localFolder = (name: string) => ({
  name: fc.constant(name),
  type: fc.constant("local"),
  path: fc.constant(`/tree/${name}`),
  priority: fc.constantFrom(10, 20, 30),
});
