// SPDX-License-Identifier: Apache-2.0
package dev.sluice.faults;

import java.util.Random;

/**
 * A fault and where it happens, counted in bytes of one direction from the start of each connection.
 *
 * @param bytes the byte of the fault, or the mean distance of two of them
 * @param again whether it happens again and again, at distances from half to one and a half times {@code bytes}
 * @param most how often, for all connections together: so that a stream can come to its end
 */
public record Planned(Fault fault, Direction direction, long bytes, boolean again, int most) {

    static final long NEVER = Long.MAX_VALUE;

    /** Once in each connection, when so many bytes have passed. */
    public static Planned after(long bytes, Direction direction, Fault fault) {
        return new Planned(fault, direction, bytes, false, Integer.MAX_VALUE);
    }

    /** Again and again, at random distances. */
    public static Planned every(long meanBytes, Direction direction, Fault fault) {
        return new Planned(fault, direction, meanBytes, true, Integer.MAX_VALUE);
    }

    public Planned atMost(int times) {
        return new Planned(fault, direction, bytes, again, times);
    }

    long first(Random random) {
        return again ? next(0, random) : bytes;
    }

    /** Where it happens next, after {@code position}. */
    long next(long position, Random random) {
        return again ? position + Math.max(1, (long) (bytes * (0.5 + random.nextDouble()))) : NEVER;
    }
}
