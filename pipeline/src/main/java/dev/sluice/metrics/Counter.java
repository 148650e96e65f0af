// SPDX-License-Identifier: Apache-2.0
package dev.sluice.metrics;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * A count with one writer at a time and any number of readers. Opaque access is enough: a reader sees whole values, in
 * order, soon; nothing else is published through it.
 */
public final class Counter {

    private static final VarHandle VALUE;

    static {
        try {
            VALUE = MethodHandles.lookup().findVarHandle(Counter.class, "value", long.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    @SuppressWarnings("unused") // by way of VALUE
    private long value;

    public void add(long amount) {
        VALUE.setOpaque(this, (long) VALUE.getOpaque(this) + amount);
    }

    public long value() {
        return (long) VALUE.getOpaque(this);
    }
}
