/*
 * A SQLite page out of any bytes: u8 (1: the file's first), u8 columns, then
 * the page, filled up with zeros.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/err.h"
#include "index/btree.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct bval v[BTREE_COLUMNS];
	uint8_t *page;
	volatile uint8_t sum = 0;
	struct bpage b;
	struct bcell c;

	if (len < 2 || len - 2 > BTREE_PAGE)
		return (0);
	if ((page = calloc(1, BTREE_PAGE)) == NULL)
		return (0);
	memcpy(page, data + 2, len - 2);
	if (bpage_open(&b, page, data[0] == 1) == 0) {
		for (unsigned i = 0; i < b.ncells; i++) {
			size_t n = data[1] % (BTREE_COLUMNS + 1);

			if (bpage_cell(&b, i, &c) != 0 || c.row == NULL)
				continue;
			BUG_ON(c.row < page || c.len == 0 ||
			    c.row + c.len > page + BTREE_PAGE);
			if (brow_parse(v, n, c.row, c.len) != 0)
				continue;
			for (size_t k = 0; k < n; k++)
				for (size_t j = 0; j < v[k].len; j++)
					sum = (uint8_t)(sum + v[k].p[j]);
		}
		(void)bpage_fill(&b);
	}
	free(page);
	return (0);
}
