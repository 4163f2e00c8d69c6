# SPDX-License-Identifier: MIT
"""The whole programs that tools are compared on, each with a smaller input for the tools that take minutes."""
import dataclasses
import random
import shutil

SQL = """\
CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT NOT NULL, town TEXT NOT NULL);
CREATE TABLE product (id INTEGER PRIMARY KEY, name TEXT NOT NULL, cents INTEGER NOT NULL);
CREATE TABLE sale (customer INTEGER NOT NULL, product INTEGER NOT NULL, pieces INTEGER NOT NULL);
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {customers} - 1)
    INSERT INTO customer SELECT i, printf('customer %06d', i * 7 % {customers}), 'town ' || (i % 11) FROM n;
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {products} - 1)
    INSERT INTO product SELECT i, printf('product %05d', i * 13 % {products}), 100 + i * 37 % 900 FROM n;
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {sales} - 1)
    INSERT INTO sale SELECT i * 17 % {customers}, i * 29 % {products}, 1 + i % 5 FROM n;
CREATE INDEX sale_customer ON sale (customer);
CREATE INDEX customer_town ON customer (town, name);
SELECT town, count(*), sum(pieces * cents)
    FROM sale JOIN customer ON customer.id = sale.customer JOIN product ON product.id = sale.product
    GROUP BY town ORDER BY 3 DESC, town LIMIT 5;
"""


@dataclasses.dataclass
class Workload:
    name: str
    text: str
    argv: list
    stdin: str = "/dev/null"
    small: object = None  # the same with less to do
    hash_table: bool = False
    missing: str = ""


def write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    return path


def sqlite3(context, sales, name):
    script = SQL.format(sales=sales, customers=sales // 5, products=sales // 20)
    return Workload(name, "sqlite3 script", ["sqlite3", ":memory:"], write(f"{context.scratch}/{name}.sql", script),
                    missing="" if shutil.which("sqlite3") else "sqlite3 is not installed")


def sort(context, lines, name):
    numbers = list(range(lines))
    random.Random(1).shuffle(numbers)
    path = write(f"{context.scratch}/{name}.txt", "".join(f"{n}\n" for n in numbers))
    return Workload(name, "sort", ["sort", "--parallel=1", path])


def hash_table(context, entries, lookups, name):
    return Workload(name, "hash table", [f"{context.programs}/hash_table", str(entries), str(lookups)], hash_table=True)


def make(context):
    """Natively about 0.1 s each. The first hash table fits into a window of 1,024 pages, the last does not."""
    sizes = ((1000, 20), (2000, 500), ((2000, 20000), (500, 2000)), (20000, 500)) if context.short else \
        ((60000, 2000), (300000, 10000), ((40000, 8000000), (2000, 100000)), (160000, 20000))
    loads = []
    for build, (full, small), name in ((sqlite3, sizes[0], "sqlite3"), (sort, sizes[1], "sort")):
        load = build(context, full, name)
        load.small = build(context, small, f"{name}.small")
        loads.append(load)
    load = hash_table(context, *sizes[2][0], "hash_table")
    load.small = hash_table(context, *sizes[2][1], "hash_table.small")
    loads.append(load)
    load = hash_table(context, *sizes[3], "hash_table_large")
    load.text = "hash table, four times the window"
    loads.append(load)
    return loads
