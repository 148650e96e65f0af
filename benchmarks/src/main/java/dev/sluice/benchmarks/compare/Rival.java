// SPDX-License-Identifier: Apache-2.0
package dev.sluice.benchmarks.compare;

import java.util.List;

/**
 * One way to send, in a process of its own.
 *
 * @param name in the tables and in JSON
 * @param kind what it asks of the kernel
 * @param limit name of the program in C that sends the same way, which its ratios are to
 * @param runtime what it runs on
 * @param arguments what selects it: the program's name, or the arguments before the common ones
 */
record Rival(String name, Kind kind, String limit, Runtime runtime, List<String> arguments) {

    /** What the kernel is asked to do with the bytes. Over loopback it copies some of what it was asked not to. */
    enum Kind {
        COPYING("copying"),
        BY_REFERENCE("by reference");

        final String text;

        Kind(String text) {
            this.text = text;
        }
    }

    /** What starts it, and who receives. */
    enum Runtime {
        /** A program that {@code benchmarks/run} compiled. */
        C,
        /** A JVM, which must warm up. */
        JVM,
        /** A JVM whose receiver speaks {@code framing = sluice}. */
        JVM_FRAMED,
        /** A JVM that its receivers connect to. */
        JVM_LISTENING,
        /** Both ends are iperf3's own. */
        IPERF
    }
}
