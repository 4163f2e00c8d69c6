-- SPDX-License-Identifier: MIT
-- What the demonstration has sqlite3 do: fill three tables, index them, join them.
CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT NOT NULL, town TEXT NOT NULL);
CREATE TABLE product (id INTEGER PRIMARY KEY, name TEXT NOT NULL, cents INTEGER NOT NULL);
CREATE TABLE sale (customer INTEGER NOT NULL, product INTEGER NOT NULL, pieces INTEGER NOT NULL);
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 1999)
    INSERT INTO customer SELECT i, printf('customer %04d', i * 7 % 2000), 'town ' || (i % 11) FROM n;
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 499)
    INSERT INTO product SELECT i, printf('product %03d', i * 13 % 500), 100 + i * 37 % 900 FROM n;
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 9999)
    INSERT INTO sale SELECT i * 17 % 2000, i * 29 % 500, 1 + i % 5 FROM n;
CREATE INDEX sale_customer ON sale (customer);
CREATE INDEX customer_town ON customer (town, name);
SELECT town, count(*), sum(pieces * cents)
    FROM sale JOIN customer ON customer.id = sale.customer JOIN product ON product.id = sale.product
    GROUP BY town ORDER BY 3 DESC, town LIMIT 5;
