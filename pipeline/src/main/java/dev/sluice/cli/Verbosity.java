// SPDX-License-Identifier: Apache-2.0
package dev.sluice.cli;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import java.io.PrintWriter;
import org.slf4j.LoggerFactory;

/** The option {@code --verbose}, and how failures are told with and without it. */
final class Verbosity {

    private static volatile boolean verbose;

    private Verbosity() {}

    static void set(boolean on) {
        verbose = on;
        if (on && LoggerFactory.getLogger("dev.sluice") instanceof Logger logger) {
            logger.setLevel(Level.DEBUG);
        }
    }

    static void report(Throwable failure, PrintWriter to) {
        String message = failure.getMessage();
        to.println("sluice: " + (message == null ? failure.toString() : message));
        if (verbose) {
            failure.printStackTrace(to);
        }
        to.flush();
    }
}
