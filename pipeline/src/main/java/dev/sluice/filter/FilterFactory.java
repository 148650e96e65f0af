// SPDX-License-Identifier: Apache-2.0
package dev.sluice.filter;

import java.util.function.Supplier;

/** Makes filters of one type. Implementations have a public constructor without arguments (ServiceLoader). */
public interface FilterFactory {

    /** The word that selects it: {@code filters { name { type = word, … } } }. */
    String type();

    /**
     * Reads a node's settings, once, before anything runs; problems are reported through {@code settings} and all at
     * once. The result makes the filter each time its pipeline starts.
     */
    Supplier<Filter> configure(Settings settings);
}
