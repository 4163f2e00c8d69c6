/* SPDX-License-Identifier: MIT */
/* The sentences of a small calculator, for bison. */
%{
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#define YYSTYPE double
int yylex(void);
static void yyerror(const char *text) { fprintf(stderr, "%s\n", text); }
%}
%token NUMBER NAME COMPARE
%left COMPARE
%left '+' '-'
%left '*' '/'
%precedence NEGATIVE
%right '^'
%%
lines: %empty | lines line;
line: '\n' | expression '\n' { printf("%g\n", $1); } | error '\n' { yyerrok; };
expression: NUMBER
    | NAME '(' arguments ')' { $$ = $3; }
    | expression '+' expression { $$ = $1 + $3; }
    | expression '-' expression { $$ = $1 - $3; }
    | expression '*' expression { $$ = $1 * $3; }
    | expression '/' expression { $$ = $1 / $3; }
    | expression COMPARE expression { $$ = $1 == $3; }
    | '-' expression %prec NEGATIVE { $$ = -$2; }
    | expression '^' expression { $$ = pow($1, $3); }
    | '(' expression ')' { $$ = $2; };
arguments: expression | arguments ',' expression { $$ = $1 + $3; };
%%
int main(void) { return yyparse(); }
