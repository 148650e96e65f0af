// SPDX-License-Identifier: Apache-2.0
package dev.sluice.device;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.linux.Constants;
import dev.sluice.linux.Libc;
import dev.sluice.linux.LinuxException;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.FileChannel;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What a user is told of a device that cannot be had. What can be had needs the driver, and an emulated machine. */
final class DriverDeviceTest {

    private static final Path DEVICE = Path.of("/dev/sluice7");

    @TempDir
    private Path folder;

    private static DriverDevice.Settings settings(Path path) {
        return new DriverDevice.Settings(path, 1 << 20, 64, false);
    }

    private static void assertRefused(Path path, String message) {
        String me = "process " + ProcessHandle.current().pid() + " ";
        assertThatThrownBy(() -> DriverDevice.open("adc", settings(path)).close())
                .isInstanceOf(IOException.class)
                .hasMessage(message);
        assertThat(DriverProblem.openers(path)).as("it was closed again").doesNotContain(me);
    }

    @Test
    void aDeviceThatIsNotThereAsksForTheDriver() {
        Path none = folder.resolve("sluice0");
        assertRefused(
                none,
                none + " does not exist (ENOENT): load the driver (modprobe sluice), and see in dmesg whether it was "
                        + "bound to its DMA channel");
    }

    @Test
    void aFileOrAFolderIsNoDevice() throws Exception {
        Path file = Files.write(folder.resolve("capture.raw"), new byte[4096]);
        assertRefused(
                file,
                file + " is a regular file, not a device of the sluice driver: name that, /dev/sluice0 for example");
        assertRefused(
                folder,
                folder + " is a folder, not a device of the sluice driver: name that, /dev/sluice0 for example");
        assertThat(Files.readAllBytes(file)).as("left alone").hasSize(4096).containsOnly(0);
    }

    @ParameterizedTest
    @CsvSource({"/dev/null", "/dev/zero", "/dev/full"})
    void anotherDriversDeviceIsNoneOfOurs(Path other) {
        assertRefused(
                other,
                other + " is another driver's (Inappropriate ioctl for device (ENOTTY)), not a device of the sluice "
                        + "driver: name that, /dev/sluice0 for example");
    }

    @Test
    void aSocketHasNoDeviceBehindIt() throws Exception {
        Path socket = folder.resolve("socket");
        try (ServerSocketChannel channel = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            channel.bind(UnixDomainSocketAddress.of(socket));
            assertRefused(
                    socket,
                    socket + " has no device behind it (No such device or address (ENXIO)): its driver was unbound or "
                            + "unloaded; bind it again and see dmesg");
        }
    }

    @Test
    void whoHasItOpenIsNamed() throws Exception {
        Path file = Files.createFile(folder.resolve("device"));
        assertThat(DriverProblem.openers(file)).isEqualTo("a process that this user cannot see");
        try (FileChannel open = FileChannel.open(file)) {
            assertThat(open.isOpen()).isTrue();
            assertThat(DriverProblem.openers(file))
                    .matches("process " + ProcessHandle.current().pid() + " \\(.+\\)");
            assertThat(DriverProblem.opening(file, Constants.EBUSY))
                    .hasMessageStartingWith(file + " is in use (EBUSY) by process ")
                    .hasMessageEndingWith(": a device has one user at a time, so end that one or name another device");
        }
    }

    @Test
    void aMissingPermissionSaysWhoMayAndHowToGiveIt() throws Exception {
        Path file = Files.createFile(folder.resolve("device"));
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-r-----"));
        String owner = Files.getOwner(file).getName();
        assertThat(DriverProblem.opening(file, Constants.EACCES))
                .hasMessageStartingWith("no permission to open " + file
                        + " (Permission denied (EACCES)), which is rw-r----- for " + owner)
                .hasMessageContaining("udev rule such as KERNEL==\"sluice[0-9]*\"");
    }

    @Test
    void anotherVersionSaysWhichSideIsBehind() {
        assertThat(DriverProblem.version(DEVICE, 3))
                .hasMessage("the driver of /dev/sluice7 speaks version 3 of the device interface and this pipeline "
                        + "version 2: update the pipeline");
        assertThat(DriverProblem.version(DEVICE, 1)).hasMessageEndingWith("version 2: update the driver");
        assertThat(DriverProblem.version(DEVICE, -1))
                .hasMessageContaining("version 4294967295 ")
                .hasMessageEndingWith("update the pipeline");
    }

    @Test
    void aRefusedGeometrySaysWhatWasAskedFor() {
        assertThat(DriverProblem.configuring(settings(DEVICE), Constants.ENOMEM))
                .hasMessage("no memory for the 64 buffers of 1048576 bytes of /dev/sluice7, 67108864 in all (ENOMEM): "
                        + "set a smaller buffer-size or fewer buffers");
        assertThat(DriverProblem.configuring(settings(DEVICE), Constants.EINVAL))
                .hasMessageStartingWith("the driver of /dev/sluice7 refuses 64 buffers of 1048576 bytes (EINVAL): ")
                .hasMessageContaining(Libc.pageBytes() + " bytes here");
        assertThat(DriverProblem.configuring(settings(DEVICE), Constants.ENODEV))
                .hasMessageStartingWith("/dev/sluice7 is gone (ENODEV): ");
    }

    @Test
    void everyRefusalIsOneSentenceThatNamesTheDevice() {
        List<Integer> errnos = List.of(
                Constants.ENOENT,
                Constants.ENODEV,
                Constants.ENXIO,
                Constants.EBUSY,
                Constants.EACCES,
                Constants.EPERM,
                Constants.ENOMEM,
                Constants.EINVAL,
                Constants.EFAULT);
        for (int errno : errnos) {
            for (IOException refusal :
                    List.of(DriverProblem.opening(DEVICE, errno), DriverProblem.configuring(settings(DEVICE), errno))) {
                assertThat(refusal.getMessage())
                        .contains(DEVICE.toString())
                        .contains(errnoName(errno))
                        .doesNotContain("\n", ". ", "null");
            }
        }
    }

    private static String errnoName(int errno) {
        String described = LinuxException.describe(errno);
        return described.substring(described.lastIndexOf('(') + 1, described.length() - 1);
    }
}
