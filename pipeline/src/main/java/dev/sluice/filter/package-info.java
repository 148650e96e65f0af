// SPDX-License-Identifier: Apache-2.0
/**
 * What a filter author sees, and the filters that ship.
 *
 * <p>A {@link dev.sluice.filter.Filter} reads a {@link dev.sluice.filter.Frame} and names the slices to keep; no byte is
 * copied. A {@link dev.sluice.filter.FilterFactory}, found by {@link java.util.ServiceLoader}, reads the node's
 * {@link dev.sluice.filter.Settings} and makes the filter.
 *
 * <p>Threading: one filter belongs to one stream and is called by one thread at a time; it may keep state in fields.
 * This package depends on nothing but the JDK and Typesafe Config, so that a filter's jar needs nothing else.
 */
@NullMarked
package dev.sluice.filter;

import org.jspecify.annotations.NullMarked;
