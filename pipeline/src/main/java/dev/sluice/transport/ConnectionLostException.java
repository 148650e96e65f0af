// SPDX-License-Identifier: Apache-2.0
package dev.sluice.transport;

import dev.sluice.linux.LinuxException;
import java.io.IOException;

/** The connection is gone, and the kernel says why. */
public final class ConnectionLostException extends IOException {

    private static final long serialVersionUID = 1L;

    private final int errno;

    public ConnectionLostException(int errno) {
        super(LinuxException.describe(errno));
        this.errno = errno;
    }

    /** The kernel's words for it. */
    public String reason() {
        return LinuxException.describe(errno);
    }
}
