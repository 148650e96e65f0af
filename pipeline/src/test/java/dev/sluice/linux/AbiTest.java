// SPDX-License-Identifier: Apache-2.0
package dev.sluice.linux;

import static java.util.stream.Collectors.joining;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.io.IOException;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.PaddingLayout;
import java.lang.foreign.StructLayout;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Asks the C compiler of this machine for every layout and constant. */
final class AbiTest {

    private static final List<String> HEADERS = List.of(
            "errno.h",
            "fcntl.h",
            "limits.h",
            "netinet/in.h",
            "netinet/tcp.h",
            "poll.h",
            "stddef.h",
            "stdio.h",
            "sys/epoll.h",
            "sys/eventfd.h",
            "sys/ioctl.h",
            "sys/mman.h",
            "sys/socket.h",
            "sys/uio.h",
            "time.h",
            "sys/syscall.h",
            "linux/errqueue.h",
            "linux/io_uring.h",
            "linux/sluice.h",
            "linux/sockios.h");

    /** Where the driver's own header is; all others are the system's. The module's folder is what surefire starts in. */
    private static final Path DRIVER_HEADERS = Path.of("../linux-driver/include/uapi");

    @TempDir
    private Path folder;

    @Test
    void structsAreLaidOutAsTheCompilerDoes() throws Exception {
        List<StructLayout> structs = structs();
        assertThat(structs)
                .extracting(struct -> name(struct))
                .contains("msghdr", "iovec", "sock_extended_err", "sluice_frame", "sluice_info", "sluice_counts");
        Map<String, Long> expected = new TreeMap<>();
        List<String> expressions = new ArrayList<>();
        for (StructLayout struct : structs) {
            String type = "struct " + name(struct);
            question(expressions, expected, "sizeof(" + type + ")", struct.byteSize());
            for (MemoryLayout member : struct.memberLayouts()) {
                if (member instanceof PaddingLayout) {
                    continue;
                }
                String field = name(member);
                long offset = struct.byteOffset(PathElement.groupElement(field));
                question(expressions, expected, "offsetof(" + type + ", " + field + ")", offset);
                question(expressions, expected, "sizeof(((" + type + " *) 0)->" + field + ")", member.byteSize());
            }
        }
        assertThat(compilerSays(expressions)).containsExactlyInAnyOrderEntriesOf(expected);
    }

    @Test
    void constantsHaveTheValuesTheCompilerSees() throws Exception {
        Map<String, Long> expected = new TreeMap<>();
        List<String> expressions = new ArrayList<>();
        for (Field constant : Constants.class.getFields()) {
            question(expressions, expected, constant.getName(), constant.getInt(null));
        }
        assertThat(expected).containsKeys("EAGAIN", "MSG_ZEROCOPY", "SO_ZEROCOPY", "SLUICE_CONFIGURE");
        assertThat(compilerSays(expressions)).containsExactlyInAnyOrderEntriesOf(expected);
    }

    private static void question(List<String> expressions, Map<String, Long> expected, String expression, long value) {
        expressions.add(expression);
        expected.put(expression, value);
    }

    private static String name(MemoryLayout layout) {
        return layout.name().orElseThrow();
    }

    /** Of every class in the package that has one, so that none can be forgotten here. */
    private static List<StructLayout> structs() throws IOException, URISyntaxException, ReflectiveOperationException {
        Path classes = Path.of(Constants.class
                .getProtectionDomain()
                .getCodeSource()
                .getLocation()
                .toURI());
        String packageName = Constants.class.getPackageName();
        List<String> names;
        try (Stream<Path> files = Files.list(classes.resolve(packageName.replace('.', File.separatorChar)))) {
            names = files.map(file -> file.getFileName().toString())
                    .filter(file -> file.endsWith(".class") && !file.equals("package-info.class"))
                    .map(file -> packageName + "." + file.substring(0, file.length() - ".class".length()))
                    .toList();
        }
        List<StructLayout> structs = new ArrayList<>();
        for (String name : names) {
            for (Method method : Class.forName(name).getDeclaredMethods()) {
                if (method.getName().equals("layout") && Modifier.isStatic(method.getModifiers())) {
                    structs.add((StructLayout) method.invoke(null));
                }
            }
        }
        return structs;
    }

    private Map<String, Long> compilerSays(List<String> expressions) throws IOException, InterruptedException {
        String program = "#define _GNU_SOURCE\n"
                + HEADERS.stream().map(header -> "#include <" + header + ">\n").collect(joining())
                + "int main(void) {\n"
                + expressions.stream()
                        .map(expression -> "printf(\"%lld\\n\", (long long) (int) (" + expression + "));\n")
                        .collect(joining())
                + "return 0;\n}\n";
        Path source = Files.writeString(folder.resolve("abi.c"), program);
        Path binary = folder.resolve("abi");
        run("gcc", "-Wall", "-Werror", "-I", DRIVER_HEADERS.toString(), "-o", binary.toString(), source.toString());
        String[] values = run(binary.toString()).split("\n");
        assertThat(values).hasSameSizeAs(expressions);
        Map<String, Long> said = new TreeMap<>();
        for (int i = 0; i < values.length; i++) {
            said.put(expressions.get(i), Long.valueOf(values[i]));
        }
        return said;
    }

    private static String run(String... command) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor())
                .as("%s: %s", Arrays.toString(command), output)
                .isZero();
        return output;
    }
}
