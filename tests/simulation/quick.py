"""Django works out each query and its text anew. Here it remembers them by their shape: twice as many lives.

No statement changes by it: the first of each shape is Django's own, and what is filled in always is.
"""

import uuid
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.backends.sqlite3.base import SQLiteCursorWrapper
from django.db.models import Count, Lookup, Max, Min, Model, Sum
from django.db.models.expressions import (
    Col,
    Exists,
    ExpressionList,
    NegatedExpression,
    OrderBy,
    OrderByList,
    Ref,
    Star,
    Value,
    Window,
)
from django.db.models.functions import Coalesce, RowNumber
from django.db.models.sql import Query
from django.db.models.sql.compiler import SQLCompiler, SQLInsertCompiler, SQLUpdateCompiler
from django.db.models.sql.where import WhereNode

Shape = tuple[Any, ...]
HEARD_OF: dict[Shape, dict[str, Any]] = {}
UPDATES: dict[Shape, str] = {}
INSERTS: dict[Shape, tuple[str, tuple[Any, ...]]] = {}
FILTERS: dict[Shape, tuple[dict[str, Any], list[Lookup[Any]]] | None] = {}
FOUND = ("select", "klass_info", "annotation_col_map", "col_count", "has_extra_select")  # by Django, beside the text
ADDED = ("alias_map", "alias_refcount", "table_map", "used_aliases")  # to a query by its first conditions
PLAIN = ("extra", "combinator", "explain_info")
AGGREGATES = (Count, Max, Min, Sum)
PURE = (Coalesce, ExpressionList, NegatedExpression, OrderByList, RowNumber, Window)
ATOMS = (bool, int, str, uuid.UUID, datetime, type(None))


class Unusual(Exception):
    """A query with more to it than columns, counts, comparisons and an order."""


def remember() -> None:
    """From now on."""
    _remember_selects()
    _remember_updates()
    _remember_inserts()
    _remember_filters()
    _remember_signs()


def _remember_selects() -> None:
    as_sql = SQLCompiler.as_sql

    def remembered(self: Any, with_limits: bool = True, with_col_aliases: bool = False) -> Any:
        if not isinstance(self, SQLCompiler) or type(self).as_sql is not remembered or not with_limits:
            return as_sql(self, with_limits, with_col_aliases)
        params: list[Any] = []
        try:
            shape = (with_col_aliases, _shape(self.query, self, params))
        except Unusual:
            return as_sql(self, with_limits, with_col_aliases)
        if known := HEARD_OF.get(shape):
            self.__dict__.update(known)
            return known["heard"], tuple(params)
        text, filled_in = as_sql(self, with_limits, with_col_aliases)
        if list(filled_in) == params:
            HEARD_OF[shape] = {name: getattr(self, name) for name in FOUND} | {"heard": text, "converters": {}}
        return text, filled_in

    get_converters = SQLCompiler.get_converters

    def converters(self: Any, expressions: Any) -> Any:
        if "heard" not in self.__dict__:
            return get_converters(self, expressions)
        if not self.converters:
            self.converters.update(get_converters(self, expressions))
        return self.converters

    SQLCompiler.as_sql = remembered  # type: ignore[method-assign]
    SQLCompiler.get_converters = converters  # type: ignore[method-assign]


def _remember_updates() -> None:
    as_sql = SQLUpdateCompiler.as_sql

    def remembered(self: Any) -> Any:
        query = self.query
        params: list[Any] = []
        if query.related_updates or len(query.alias_map) > 1:
            return as_sql(self)
        try:
            columns = tuple(_column(field, value, params) for field, _, value in query.values)
            shape = (query.model, columns, _conditions(query.where, self, params))
        except Unusual:
            return as_sql(self)
        if known := UPDATES.get(shape):
            return known, tuple(params)
        text, filled_in = as_sql(self)
        if list(filled_in) == params:
            UPDATES[shape] = text
        return text, filled_in

    SQLUpdateCompiler.as_sql = remembered  # type: ignore[method-assign]


def _column(field: Any, value: Any, params: list[Any]) -> Shape:
    if hasattr(value, "resolve_expression") or not _is_plain(field):
        raise Unusual
    if hasattr(value, "prepare_database_save"):
        value = value.prepare_database_save(field)
    value = field.get_db_prep_save(value, connection=connection)
    if value is not None:
        params.append(value)
    return field, value is None


def _remember_inserts() -> None:
    as_sql = SQLInsertCompiler.as_sql

    def remembered(self: Any) -> Any:
        query = self.query
        shape = (query.model, tuple(query.fields), tuple(self.returning_fields or ()))
        if len(query.objs) > 1 or query.on_conflict or not all(map(_is_plain, query.fields)):
            return as_sql(self)
        if known := INSERTS.get(shape):
            text, self.returning_params = known
            values = (self.prepare_value(each, self.pre_save_val(each, query.objs[0])) for each in query.fields)
            return [(text, (*values, *self.returning_params))]
        ((text, filled_in),) = as_sql(self)
        if text.count("%s") == len(query.fields):
            INSERTS[shape] = text, self.returning_params or ()
        return [(text, filled_in)]

    SQLInsertCompiler.as_sql = remembered  # type: ignore[method-assign]


def _is_plain(field: Any) -> bool:
    """Django's own; one of ours may encrypt what it holds, which takes chance."""
    return type(field).__module__.startswith("django.")


def _remember_signs() -> None:
    """SQLite's own sign for what is filled in."""
    wrapper: Any = SQLiteCursorWrapper
    convert = wrapper.convert_query
    remembered = lru_cache(maxsize=4096)(lambda text: convert(None, text))

    def converted(self: Any, text: str, *, param_names: Any = None) -> Any:
        return convert(self, text, param_names=param_names) if param_names else remembered(text)

    wrapper.convert_query = converted


def _remember_filters() -> None:
    """The first conditions of a query, which name its tables."""
    add_q = Query.add_q

    def remembered(self: Any, q_object: Any, reuse_all: bool = False) -> None:
        shape = None if self.alias_map or self.where.children or reuse_all else _named(self.model, q_object)
        if shape is None:
            add_q(self, q_object, reuse_all)
            return
        if shape not in FILTERS:
            add_q(self, q_object, reuse_all)
            FILTERS[shape] = _learnt(self, q_object)
        elif known := FILTERS[shape]:
            added, lookups = known
            self.__dict__.update({name: each.copy() for name, each in added.items()})
            self.__dict__.pop("base_table", None)
            values = [True if value is None else value for _, value in q_object.children]
            self.where.children = [type(one)(one.lhs, value) for one, value in zip(lookups, values, strict=True)]
        else:
            add_q(self, q_object, reuse_all)

    Query.add_q = remembered  # type: ignore[method-assign]


def _named(model: Any, q_object: Any) -> Shape | None:
    """Which columns are compared with what kind of values; None where it is more than that."""
    if q_object.negated or q_object.connector != "AND" or not all(type(each) is tuple for each in q_object.children):
        return None
    kinds = tuple((name, _kind(value)) for name, value in q_object.children)
    return None if any(kind is None for _, kind in kinds) else (model, kinds)


def _kind(value: Any) -> Any:
    if isinstance(value, (*ATOMS, Model)):
        return type(value)
    return list if type(value) in (list, tuple) and all(isinstance(each, ATOMS) for each in value) else None


def _learnt(query: Any, q_object: Any) -> tuple[dict[str, Any], list[Lookup[Any]]] | None:
    lookups = query.where.children
    simple = all(isinstance(each, Lookup) and type(each.lhs) is Col for each in lookups)
    if not simple or len(lookups) != len(q_object.children):
        return None
    return {name: getattr(query, name).copy() for name in ADDED}, list(lookups)


# Shapes ---------------------------------------------------------------------------------------------------------------


def _shape(query: Any, compiler: SQLCompiler, params: list[Any]) -> Shape:
    """All that the text depends on. What is filled in is added to `params`."""
    if any(getattr(query, each) for each in PLAIN) or not all(isinstance(each, str) for each in query.order_by):
        raise Unusual
    joins = tuple(
        (alias, type(join), getattr(join, "join_type", ""), getattr(join, "parent_alias", ""))
        for alias, join in query.alias_map.items()
        if query.alias_refcount[alias]
    )
    columns = [*query.select, *query.annotation_select.values()]
    select = (tuple(_expression(each, compiler, params) for each in columns), *query.annotation_select)
    group = query.group_by
    if isinstance(group, tuple):
        group = tuple(_expression(each, compiler, params) for each in group)
    order = (query.order_by, query.default_ordering, query.standard_ordering, query.extra_order_by)
    which = (query.default_cols, query.select_related, query.deferred_loading, query.values_select, query.selected)
    limits = (query.low_mark, query.high_mark, query.subquery, query.distinct, query.distinct_fields)
    where = _conditions(query.where, compiler, params)
    return query.model, select, group, joins, order, repr(which), limits, where


def _expression(each: Any, compiler: SQLCompiler, params: list[Any]) -> Shape:
    kind: Any = type(each)
    if kind is Col:
        return each.alias, each.target
    if kind is Ref:  # only its name is written
        return tuple(each.get_refs()), _expression(each.get_source_expressions()[0], compiler, [])
    if each is None or kind is Star:
        return (kind,)
    if kind is Value and each.value is not None:
        params.append(each.value)
        return (kind,)
    if kind is Exists:
        return kind, _shape(each.query, compiler, params)
    if kind is OrderBy:
        flags = (each.descending, each.nulls_first, each.nulls_last)
        return kind, flags, _expression(each.expression, compiler, params)
    if kind in PURE:
        return kind, *(_expression(one, compiler, params) for one in each.get_source_expressions())
    if kind in AGGREGATES and not each.distinct:
        inner = [_expression(one, compiler, params) for one in each.get_source_expressions()[:-1]]
        return kind, *inner, _conditions(each.filter, compiler, params) if each.filter else None
    raise Unusual


def _is_itself(node: Any) -> bool:
    """Django writes a boolean without what it is compared with."""
    return isinstance(node.rhs, bool) and getattr(node.lhs, "conditional", False)


def _conditions(node: Any, compiler: SQLCompiler, params: list[Any]) -> Shape:
    if type(node) is WhereNode:
        return node.connector, node.negated, *(_conditions(each, compiler, params) for each in node.children)
    if not isinstance(node, Lookup):
        return _expression(node, compiler, params)
    left = (type(node), _expression(node.lhs, compiler, params))
    if node.lookup_name == "isnull" or (node.lookup_name == "exact" and _is_itself(node)):
        return *left, node.rhs
    if isinstance(node.rhs, Query):
        return *left, _shape(node.rhs, compiler, params)
    if type(node.rhs) is Col:
        return *left, _expression(node.rhs, compiler, params)
    if hasattr(node.rhs, "as_sql"):
        raise Unusual
    try:
        text, values = node.process_rhs(compiler, connection)
    except EmptyResultSet:  # one of none: Django leaves the condition out, or the whole statement
        text, values = "none", ()
    params.extend(values)
    return *left, text
