// SPDX-License-Identifier: Apache-2.0
package dev.sluice.transport;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The kernel's version, for what cannot be asked otherwise: 0.0 if it is written in a way that nobody knows. */
record KernelRelease(int major, int minor) {

    private static final Pattern NUMBERS = Pattern.compile("([0-9]{1,4})(?:\\.([0-9]{1,4}))?");

    /** @param release such as 6.12.9-arm64 (man 2 uname) */
    static KernelRelease of(String release) {
        Matcher numbers = NUMBERS.matcher(release);
        if (!numbers.lookingAt()) {
            return new KernelRelease(0, 0);
        }
        int minor = numbers.group(2) == null ? 0 : Integer.parseInt(numbers.group(2));
        return new KernelRelease(Integer.parseInt(numbers.group(1)), minor);
    }

    static KernelRelease running() {
        return of(System.getProperty("os.version", ""));
    }

    boolean isAtLeast(int wantedMajor, int wantedMinor) {
        return major > wantedMajor || (major == wantedMajor && minor >= wantedMinor);
    }
}
