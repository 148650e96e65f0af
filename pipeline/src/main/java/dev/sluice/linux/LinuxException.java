// SPDX-License-Identifier: Apache-2.0
package dev.sluice.linux;

import java.io.IOException;
import java.util.Map;

/** A system call failed: what was tried, and the kernel's answer in its own words and as the errno's name. */
public final class LinuxException extends IOException {

    private static final long serialVersionUID = 1L;

    private static final Map<Integer, String> NAMES = Map.ofEntries(
            Map.entry(Constants.EPERM, "EPERM"),
            Map.entry(Constants.ENOENT, "ENOENT"),
            Map.entry(Constants.EINTR, "EINTR"),
            Map.entry(Constants.ENXIO, "ENXIO"),
            Map.entry(Constants.EBADF, "EBADF"),
            Map.entry(Constants.EAGAIN, "EAGAIN"),
            Map.entry(Constants.ENOMEM, "ENOMEM"),
            Map.entry(Constants.EACCES, "EACCES"),
            Map.entry(Constants.EFAULT, "EFAULT"),
            Map.entry(Constants.EBUSY, "EBUSY"),
            Map.entry(Constants.ENODEV, "ENODEV"),
            Map.entry(Constants.EINVAL, "EINVAL"),
            Map.entry(Constants.ENOSYS, "ENOSYS"),
            Map.entry(Constants.ECANCELED, "ECANCELED"),
            Map.entry(Constants.EPIPE, "EPIPE"),
            Map.entry(Constants.ENOTTY, "ENOTTY"),
            Map.entry(Constants.ENOPROTOOPT, "ENOPROTOOPT"),
            Map.entry(Constants.EOPNOTSUPP, "EOPNOTSUPP"),
            Map.entry(Constants.EADDRINUSE, "EADDRINUSE"),
            Map.entry(Constants.EADDRNOTAVAIL, "EADDRNOTAVAIL"),
            Map.entry(Constants.ENETUNREACH, "ENETUNREACH"),
            Map.entry(Constants.ECONNABORTED, "ECONNABORTED"),
            Map.entry(Constants.ECONNRESET, "ECONNRESET"),
            Map.entry(Constants.ENOBUFS, "ENOBUFS"),
            Map.entry(Constants.ENOTCONN, "ENOTCONN"),
            Map.entry(Constants.ETIMEDOUT, "ETIMEDOUT"),
            Map.entry(Constants.ECONNREFUSED, "ECONNREFUSED"),
            Map.entry(Constants.EHOSTUNREACH, "EHOSTUNREACH"),
            Map.entry(Constants.EALREADY, "EALREADY"),
            Map.entry(Constants.EINPROGRESS, "EINPROGRESS"));

    private final int errno;

    public LinuxException(String what, int errno) {
        super(what + ": " + describe(errno));
        this.errno = errno;
    }

    public int errno() {
        return errno;
    }

    /** An errno as a reader knows it: {@code Connection refused (ECONNREFUSED)}. */
    public static String describe(int errno) {
        String name = NAMES.get(errno);
        return Libc.strerror(errno) + " (" + (name != null ? name : "errno " + errno) + ")";
    }

    /**
     * Passes a result on, or throws if it is a negated errno.
     *
     * @param what what was tried and on what, for the message
     */
    public static int check(int result, String what) throws LinuxException {
        if (result < 0) {
            throw new LinuxException(what, -result);
        }
        return result;
    }
}
