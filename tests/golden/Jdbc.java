// Flight SQL by its JDBC driver: prints the rows of a statement, a line each, cells separated by tabs.
//
//     java -cp DRIVER.jar Jdbc.java HOST:PORT SQL

import java.sql.DriverManager;
import java.util.ArrayList;
import java.util.List;

public class Jdbc {
    public static void main(String[] args) throws Exception {
        String url = "jdbc:arrow-flight-sql://" + args[0] + "/?useEncryption=false";
        try (var connection = DriverManager.getConnection(url);
             var statement = connection.prepareStatement(args[1]);
             var rows = statement.executeQuery()) {
            int columns = rows.getMetaData().getColumnCount();
            while (rows.next()) {
                List<String> cells = new ArrayList<>();
                for (int column = 1; column <= columns; column++) {
                    Object cell = rows.getObject(column);
                    cells.add(cell == null ? "" : cell.toString());
                }
                System.out.println(String.join("\t", cells));
            }
        }
    }
}
