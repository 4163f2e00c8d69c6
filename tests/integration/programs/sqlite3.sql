-- SPDX-License-Identifier: MIT
-- Fills three tables, indexes them and joins them.
.bail off
CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT NOT NULL, town TEXT NOT NULL);
CREATE TABLE product (id INTEGER PRIMARY KEY, name TEXT NOT NULL, cents INTEGER NOT NULL);
CREATE TABLE sale (customer INTEGER NOT NULL, product INTEGER NOT NULL, pieces INTEGER NOT NULL);

BEGIN;
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 299)
    INSERT INTO customer SELECT i, printf('customer %03d', i * 7 % 300), 'town ' || (i % 11) FROM n;
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 99)
    INSERT INTO product SELECT i, printf('product %02d', i * 13 % 100), 100 + i * 37 % 900 FROM n;
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 1999)
    INSERT INTO sale SELECT i * 17 % 300, i * 29 % 100, 1 + i % 5 FROM n;
COMMIT;

CREATE INDEX sale_customer ON sale (customer);
CREATE INDEX customer_town ON customer (town, name);

SELECT town, count(*), sum(pieces * cents)
    FROM sale JOIN customer ON customer.id = sale.customer JOIN product ON product.id = sale.product
    GROUP BY town ORDER BY 3 DESC, town;
SELECT c.name, p.name, sum(s.pieces) AS pieces
    FROM customer AS c JOIN sale AS s ON s.customer = c.id JOIN product AS p ON p.id = s.product
    WHERE c.town = 'town 3' GROUP BY 1, 2 ORDER BY pieces DESC, 1, 2 LIMIT 10;
UPDATE sale SET pieces = pieces + 1 WHERE customer IN (SELECT id FROM customer WHERE town = 'town 5');
DELETE FROM sale WHERE product % 10 = 0;
SELECT count(*), sum(pieces) FROM sale;
SELECT no_such_column FROM sale;
PRAGMA integrity_check;
