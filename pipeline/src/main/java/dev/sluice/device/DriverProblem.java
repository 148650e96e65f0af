// SPDX-License-Identifier: Apache-2.0
package dev.sluice.device;

import dev.sluice.linux.Constants;
import dev.sluice.linux.Libc;
import dev.sluice.linux.LinuxException;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;
import java.util.TreeSet;

/** What the driver refuses, as one sentence: what it was, where, and what to do. */
final class DriverProblem {

    private static final String EXAMPLE = "/dev/sluice0";

    private DriverProblem() {}

    /** The file cannot be opened. */
    static IOException opening(Path path, int errno) {
        return switch (errno) {
            case Constants.ENOENT ->
                new IOException(path + " does not exist (ENOENT): load the driver (modprobe sluice), and see in dmesg "
                        + "whether it was bound to its DMA channel");
            case Constants.ENODEV, Constants.ENXIO ->
                new IOException(path + " has no device behind it (" + LinuxException.describe(errno)
                        + "): its driver was unbound or unloaded; bind it again and see dmesg");
            case Constants.EBUSY ->
                new IOException(path + " is in use (EBUSY) by " + openers(path)
                        + ": a device has one user at a time, so end that one or name another device");
            case Constants.EACCES, Constants.EPERM ->
                new IOException("no permission to open " + path + " (" + LinuxException.describe(errno) + ")"
                        + permissions(path) + ": it must be readable and writable for this user, by a udev rule such "
                        + "as KERNEL==\"sluice[0-9]*\", GROUP=\"sluice\", MODE=\"0660\" and membership of that group");
            default -> new LinuxException("open " + path, errno);
        };
    }

    /** It is a file, or opened well, and is none of the driver's all the same. */
    static IOException notADevice(Path path, String what) {
        return new IOException(
                path + " is " + what + ", not a device of the sluice driver: name that, " + EXAMPLE + " for example");
    }

    /** The driver is of another version. */
    static IOException version(Path path, int abi) {
        return new IOException("the driver of " + path + " speaks version " + Integer.toUnsignedString(abi)
                + " of the device interface and this pipeline version " + Constants.SLUICE_ABI + ": update the "
                + (Integer.compareUnsigned(abi, Constants.SLUICE_ABI) > 0 ? "pipeline" : "driver"));
    }

    /** CONFIGURE, or the mapping after it, was refused. */
    static IOException configuring(DriverDevice.Settings settings, int errno) {
        String wanted = settings.buffers() + " buffers of " + settings.bufferBytes() + " bytes";
        return switch (errno) {
            case Constants.ENOMEM ->
                new IOException("no memory for the " + wanted + " of " + settings.path() + ", "
                        + settings.bufferBytes() * settings.buffers()
                        + " in all (ENOMEM): set a smaller buffer-size or fewer buffers");
            case Constants.EINVAL ->
                new IOException("the driver of " + settings.path() + " refuses " + wanted
                        + " (EINVAL): buffer-size must be a whole number of pages (" + Libc.pageBytes()
                        + " bytes here), and both within what its DMA engine can do, see dmesg");
            case Constants.EBUSY ->
                new IOException(settings.path() + " cannot be given " + wanted
                        + " (EBUSY): its engine runs or its memory is mapped; end whoever uses it and try again");
            case Constants.ENODEV -> gone(settings.path());
            default -> new LinuxException("giving " + settings.path() + " " + wanted, errno);
        };
    }

    /** The device went away while it was open. */
    static IOException gone(Path path) {
        return new IOException(path + " is gone (ENODEV): its driver was unbound or unloaded, or the FPGA was "
                + "programmed anew; what it had filled and not lent is lost, so bind it and start again");
    }

    /** Who has a file open, as far as this user may know. */
    static String openers(Path path) {
        Set<String> found = new TreeSet<>();
        try (DirectoryStream<Path> processes = Files.newDirectoryStream(Path.of("/proc"), "[0-9]*")) {
            Path real = path.toRealPath();
            for (Path process : processes) {
                if (hasOpen(process, real)) {
                    found.add("process " + process.getFileName() + " (" + command(process) + ")");
                }
            }
        } catch (IOException e) {
            return "another process";
        }
        return found.isEmpty() ? "a process that this user cannot see" : String.join(", ", found);
    }

    private static boolean hasOpen(Path process, Path real) {
        try (DirectoryStream<Path> descriptors = Files.newDirectoryStream(process.resolve("fd"))) {
            for (Path descriptor : descriptors) {
                if (isLinkTo(descriptor, real)) {
                    return true;
                }
            }
        } catch (IOException e) {
            return false; // ended meanwhile, or another user's
        }
        return false;
    }

    private static boolean isLinkTo(Path descriptor, Path real) {
        try {
            return Files.readSymbolicLink(descriptor).equals(real);
        } catch (IOException e) {
            return false; // closed meanwhile
        }
    }

    private static String command(Path process) {
        try {
            return Files.readString(process.resolve("comm")).strip();
        } catch (IOException e) {
            return "ended";
        }
    }

    private static String permissions(Path path) {
        try {
            PosixFileAttributes file = Files.readAttributes(path, PosixFileAttributes.class);
            return ", which is " + PosixFilePermissions.toString(file.permissions()) + " for "
                    + file.owner().getName() + " and group " + file.group().getName();
        } catch (IOException e) {
            return ""; // the folder does not let this user look either
        }
    }
}
