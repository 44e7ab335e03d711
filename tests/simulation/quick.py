"""Django works out each query and its text anew. Here it remembers them by their shape: twice as many lives.

No statement changes by it: the first of each shape is Django's own, and what is filled in always is.
"""

import inspect
import uuid
from collections.abc import Callable, Container, Hashable, Iterator
from datetime import datetime
from functools import cache, lru_cache
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.sqlite3.base import DatabaseWrapper, SQLiteCursorWrapper
from django.db.backends.sqlite3.operations import DatabaseOperations
from django.db.backends.utils import CursorWrapper
from django.db.models import Count, Lookup, Manager, Max, Min, Model, Q, Sum
from django.db.models.base import ModelState
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
from django.db.models.signals import post_init, pre_init
from django.db.models.sql import Query
from django.db.models.sql.compiler import SQLCompiler, SQLInsertCompiler, SQLUpdateCompiler
from django.db.models.sql.where import WhereNode
from django.utils import asyncio
from django.utils.functional import LazyObject
from httpx import _urls

Shape = tuple[Any, ...]
HEARD_OF: dict[Shape, dict[str, Any]] = {}
UPDATES: dict[Shape, str] = {}
INSERTS: dict[Shape, tuple[str, tuple[Any, ...]]] = {}
FILTERS: dict[Shape, tuple[dict[str, Any], list[Any]] | None] = {}
FOUND = ("select", "klass_info", "annotation_col_map", "col_count", "has_extra_select")  # by Django, beside the text
JOINED = ("parent_alias", "join_type")
ADDED = ("alias_map", "alias_refcount", "table_map", "used_aliases")  # to a query by its conditions
PLAIN = ("extra", "combinator", "explain_info")
AGGREGATES = (Count, Max, Min, Sum)
PURE = (Coalesce, ExpressionList, NegatedExpression, OrderByList, RowNumber, Window)
MANY = (list, tuple, set, frozenset, dict)
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
    _remember_addresses()
    _remember_values()
    _build_plainly()
    _ask_no_more()


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
    if hasattr(value, "resolve_expression") or not _is_plain(field.__class__):
        raise Unusual
    if hasattr(value, "prepare_database_save"):
        value = value.prepare_database_save(field)
    value = field.get_db_prep_save(value, connection=connection)
    if value is not None:
        params.append(value)
    return id(field), value is None


def _remember_inserts() -> None:
    as_sql = SQLInsertCompiler.as_sql

    def remembered(self: Any) -> Any:
        query = self.query
        shape = (query.model, *map(id, query.fields), None, *map(id, self.returning_fields or ()))
        if len(query.objs) > 1 or query.on_conflict or not all(_is_plain(each.__class__) for each in query.fields):
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


@cache
def _is_plain(kind: Hashable) -> bool:
    """A field of Django's own; one of ours may encrypt what it holds, which takes chance."""
    return kind.__module__.startswith("django.")


def _remember_signs() -> None:
    """SQLite's own sign for what is filled in."""
    wrapper: Any = SQLiteCursorWrapper
    convert = wrapper.convert_query
    remembered = lru_cache(maxsize=4096)(lambda text: convert(None, text))

    def converted(self: Any, text: str, *, param_names: Any = None) -> Any:
        return convert(self, text, param_names=param_names) if param_names else remembered(text)

    wrapper.convert_query = converted


def _remember_addresses() -> None:
    urls: Any = _urls
    parse = urls.urlparse
    remembered = lru_cache(maxsize=4096)(parse)
    urls.urlparse = lambda text, **parts: parse(text, **parts) if parts else remembered(text)


def _remember_values() -> None:
    """Moments and ids as SQLite keeps them: a row is read many times."""
    operations: Any = DatabaseOperations
    for name in ("convert_datetimefield_value", "convert_uuidfield_value"):
        setattr(operations, name, _reader(getattr(operations, name)))


def _reader(convert: Callable[..., Any]) -> Callable[..., Any]:
    read = lru_cache(maxsize=2**16)(lambda value: convert(connection.ops, value, None, connection))
    return lambda _self, value, _expression, _connection: read(value)


def _build_plainly() -> None:
    """Rows, conditions and queries without what Django does for those that are made otherwise."""
    model: Any = Model
    from_db = model.from_db.__func__

    def built(cls: Any, db: str, names: Any, values: Any) -> Any:
        fields = cls._meta.concrete_fields
        if len(values) != len(fields):
            return from_db(cls, db, names, values)
        new = cls.__new__(cls)
        new._state = ModelState()
        new._state.adding, new._state.db = False, db
        new.__dict__.update(zip([each.attname for each in fields], values, strict=True))
        return new

    def clone(self: Any) -> Any:
        new = WhereNode(None, self.connector, self.negated)
        new.children = [each.clone() if hasattr(each, "clone") else each for each in self.children]
        return new

    def filtered(self: Any, *conditions: Any, **more: Any) -> Any:
        """Nobody else has what a model's own manager gives: it need not be copied."""
        found = self.get_queryset()
        if hasattr(self, "instance"):
            return found.filter(*conditions, **more)
        found._filter_or_exclude_inplace(False, conditions, more)
        return found

    assert not [*pre_init.receivers, *post_init.receivers]
    model.from_db = classmethod(built)
    node: Any = WhereNode
    node.clone = clone
    manager: Any = Manager
    manager.filter = filtered


def _ask_no_more() -> None:
    """What Django looks for each time, and what there is none of here: a loop that runs, keys of several columns."""
    for holder in (BaseDatabaseWrapper, DatabaseWrapper):
        for name, each in vars(holder).copy().items():
            if inspect.isfunction(each) and each.__code__.co_filename == asyncio.__file__:
                setattr(holder, name, inspect.unwrap(each))
    plain: Any = SQLCompiler
    plain.has_composite_fields = lambda _self, _expressions: False
    del LazyObject.__getattribute__
    CursorWrapper.WRAP_ERROR_ATTRS = frozenset()  # a database in memory fails when it is asked, not as it answers


def _remember_filters() -> None:
    """The conditions of a query, and the tables that they take in."""
    add_q = Query.add_q

    def remembered(self: Any, q_object: Any, reuse_all: bool = False) -> None:
        values: list[Any] = []
        shape = None if reuse_all else _named(self, q_object, values)
        if shape is None:
            add_q(self, q_object, reuse_all)
            return
        if shape not in FILTERS:
            before = [*self.where.children]
            add_q(self, q_object, reuse_all)
            FILTERS[shape] = _learnt(self, before, values)
        elif known := FILTERS[shape]:
            added, conditions = known
            self.__dict__.update({name: each.copy() for name, each in added.items()})
            self.__dict__.pop("base_table", None)
            self.where.children += _filled(conditions, iter(values))
        else:
            add_q(self, q_object, reuse_all)

    Query.add_q = remembered  # type: ignore[method-assign]


def _named(query: Any, q_object: Any, values: list[Any]) -> Shape | None:
    """Which columns are compared with what kind of values; None where it is more than that."""
    if query.where.connector != "AND" or query.where.negated or query.used_aliases:
        return None
    try:
        return query.model, _joined(query), _of(q_object, query.annotations, values)
    except Unusual:
        return None


def _joined(query: Any) -> Shape:
    """The tables of a query, and from where."""
    return tuple(
        (alias, query.alias_refcount[alias], *(getattr(each, name, None) for name in JOINED), _field(each))
        for alias, each in query.alias_map.items()
    )


def _field(joined: Any) -> int:
    return id(getattr(joined, "join_field", None))


def _of(condition: Any, annotations: Container[str], values: list[Any]) -> Shape:
    if isinstance(condition, Q):
        inner = (_of(each, annotations, values) for each in condition.children)
        return condition.connector, condition.negated, *inner
    if type(condition) is not tuple or condition[0] in annotations:
        raise Unusual
    name, value = condition
    values.append(True if value is None else value)
    return name, _kind(value)


def _kind(value: Any) -> Any:
    if isinstance(value, (*ATOMS, Model)):
        return type(value)
    if type(value) in MANY and all(isinstance(each, ATOMS) for each in value):
        return list, bool(value)
    raise Unusual


def _learnt(query: Any, before: list[Any], values: list[Any]) -> tuple[dict[str, Any], list[Any]] | None:
    """What a first look has added; nothing where that is more than one comparison for each value."""
    kept, conditions = query.where.children[: len(before)], query.where.children[len(before) :]
    if kept != before:
        return None
    try:
        again = _filled(conditions, rest := iter(values))
    except (Unusual, StopIteration):
        return None
    if again != conditions or next(rest, None) is not None:
        return None
    return {name: getattr(query, name).copy() for name in ADDED}, conditions


def _filled(conditions: list[Any], values: Iterator[Any]) -> list[Any]:
    """The same conditions with other values."""
    return [_with(each, values) for each in conditions]


def _with(condition: Any, values: Iterator[Any]) -> Any:
    if type(condition) is WhereNode:
        return WhereNode(_filled(condition.children, values), condition.connector, condition.negated)
    if not isinstance(condition, Lookup) or type(condition.lhs) is not Col:
        raise Unusual
    other, value = object.__new__(type(condition)), next(values)
    other.__dict__.update(condition.__dict__, _constructor_args=((condition.lhs, value), {}), rhs=value)
    other.__dict__.pop("identity", None)
    other.rhs = other.get_prep_lookup()
    return other


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
    related = repr(query.select_related) if query.select_related else None
    which = (query.default_cols, related, query.deferred_loading, query.values_select, (*(query.selected or ()),))
    limits = (query.low_mark, query.high_mark, query.subquery, query.distinct, query.distinct_fields)
    where = _conditions(query.where, compiler, params)
    return query.model, select, group, joins, order, which, limits, where


def _expression(each: Any, compiler: SQLCompiler, params: list[Any]) -> Shape:
    kind: Any = type(each)
    if kind is Col:
        return each.alias, id(each.target)  # fields stay, and their own hashes are slow
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
