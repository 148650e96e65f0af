// SPDX-License-Identifier: Apache-2.0
package dev.sluice.chaos;

import java.util.Locale;

/** What happened so far. */
final class Counts {

    int rounds;
    int connections;
    int faults;
    int kills;
    int stops;
    int reloads;
    long checkedBytes;
    long lostBytes;
    long wrongBytes;
    long unaccountedBytes;

    @Override
    public String toString() {
        return String.format(
                Locale.ROOT,
                "%d rounds, %,d connections, %,d faults of the line, %d processes killed, %d stopped, %d reloads; "
                        + "%,d bytes checked, %,d announced as lost, %,d wrong, %,d unaccounted",
                rounds,
                connections,
                faults,
                kills,
                stops,
                reloads,
                checkedBytes,
                lostBytes,
                wrongBytes,
                unaccountedBytes);
    }
}
