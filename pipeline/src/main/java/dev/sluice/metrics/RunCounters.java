// SPDX-License-Identifier: Apache-2.0
package dev.sluice.metrics;

import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentSkipListMap;

/** What all nodes of a running topology count, by their names. A node that is replaced while it runs counts on. */
public final class RunCounters {

    private final Map<String, SourceCounters> sources = new ConcurrentSkipListMap<>();
    private final Map<String, SinkCounters> sinks = new ConcurrentSkipListMap<>();

    public SourceCounters source(String name) {
        return sources.computeIfAbsent(name, n -> new SourceCounters());
    }

    public SinkCounters sink(String name) {
        return sinks.computeIfAbsent(name, n -> new SinkCounters());
    }

    /** Those there are now, in the order of their names. */
    public Map<String, SourceCounters> sources() {
        return new TreeMap<>(sources);
    }

    /** Those there are now, in the order of their names. */
    public Map<String, SinkCounters> sinks() {
        return new TreeMap<>(sinks);
    }
}
