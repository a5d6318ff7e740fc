/** As long as the answer to a product of one variant. */
export const exampleProduct = {
  id: '01a20e40-fb01-723b-b877-6d8e320d9368',
  slug: 'oak-table-12345-for-the-kitchen',
  name: 'Oak table 12345 for the kitchen',
  description: '',
  category: 'category 45',
  status: 'active',
  variants: [
    {
      id: '01a20e40-fb01-723b-b877-6d8ddd358684',
      sku: 'S12345',
      stock: { onHand: 100_000_000, reserved: 0, available: 100_000_000 },
      prices: [{ amount: 2_545, currency: 'GBP' }],
      options: {},
    },
  ],
  createdAt: '2026-01-01T12:00:00.000Z',
  updatedAt: '2026-01-01T12:00:00.000Z',
};
